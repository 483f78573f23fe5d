#define _GNU_SOURCE
#include "CMPIShims.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int cpu_shim_read_affinity(int process, uint8_t *bits, size_t bytes) {
  memset(bits, 0, bytes);
  return sched_getaffinity(process, bytes, (cpu_set_t *)bits) == 0 ? 0 : errno;
}

int cpu_shim_write_affinity(const uint8_t *bits, size_t bytes) {
  // Libraries may have started threads before main; each thread has its own mask.
  DIR *threads = opendir("/proc/self/task");
  if (!threads) return sched_setaffinity(0, bytes, (const cpu_set_t *)bits) == 0 ? 0 : errno;
  int code = 0;
  for (struct dirent *entry; (entry = readdir(threads));) {
    int thread = atoi(entry->d_name);
    if (thread > 0 && sched_setaffinity(thread, bytes, (const cpu_set_t *)bits) != 0) code = errno;
  }
  closedir(threads);
  return code;
}

int cpu_shim_can_read_peers(void) {
  // A container's system-call filter refuses this even for the process itself.
  char source = 1, target = 0;
  struct iovec to = {&target, 1}, from = {&source, 1};
  return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}
