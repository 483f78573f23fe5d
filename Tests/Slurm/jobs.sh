# shellcheck shell=bash
# Jobs of a Slurm that Tests/Slurm/with-slurm has started; their output is in $runs/*.log. To be sourced after setup.sh.

# state JOB: one of Slurm's words.
state() { scontrol --oneliner show job "$1" | sed -n 's/.* JobState=\([A-Z_]*\) .*/\1/p'; }
is_state() { [[ $(state "$1") == "$2" ]]; }
show() { tail -n 40 "${runs:?}"/*.log >&2; }

# until_true SECONDS WHAT COMMAND...: waits for a command to succeed.
until_true() {
  local seconds=$1 what=$2 waited=0
  shift 2
  until "$@" 2>/dev/null; do
    if [[ $waited -ge $seconds ]]; then
      show
      squeue >&2
      fail 70 "$what did not come within $seconds seconds"
    fi
    sleep 1
    waited=$((waited + 1))
  done
}
