# shellcheck shell=bash
# How mpirun is called: the one place that decides on binding, threads and settings of Open MPI's daemons.
# Sourced, not run. Callers have `set -euo pipefail`.

# Open MPI refuses to work for root unless told twice; containers have no other user.
allow_mpirun_as_root() {
  if [[ $EUID -eq 0 ]]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
}

# local_ranks N: puts mpirun's options for N ranks on this machine into mpirun_options.
local_ranks() {
  local ranks=$1
  mpirun_options=(-np "$ranks" --use-hwthread-cpus)
  if [[ $ranks -gt $(nproc) ]]; then mpirun_options+=(--oversubscribe); fi
  common_options
}

# hosts_ranks [N] [HOSTFILE]: the same for N ranks (empty: one per slot) on the hosts of a file (empty: of the batch job).
hosts_ranks() {
  local ranks=${1:-} hostfile=${2:-}
  mpirun_options=()
  if [[ -n $ranks ]]; then mpirun_options+=(-np "$ranks"); fi
  if [[ -n $hostfile ]]; then mpirun_options+=(--hostfile "$hostfile"); fi
  # mpirun and its daemons: a host that is cut off ends the job in 10 seconds, not in 12 minutes.
  mpirun_options+=(
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3
  )
  common_options
}

# What holds for any number of hosts. The default binding would tie each rank to one core; the program divides the CPUs of
# a host among its ranks itself. mpirun passes no variables on to other hosts by itself.
common_options() {
  local variable
  mpirun_options+=(--bind-to none)
  for variable in OMP_NUM_THREADS OPENBLAS_THREAD_TIMEOUT LD_LIBRARY_PATH NO_COLOR; do
    if [[ -n ${!variable:-} ]]; then mpirun_options+=(-x "$variable"); fi
  done
}

# run_ranks N PROGRAM [ARGUMENT...]: mpirun on this machine.
run_ranks() {
  local mpirun_options=()
  local_ranks "$1"
  shift
  mpirun "${mpirun_options[@]}" "$@"
}
