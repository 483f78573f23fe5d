#define _GNU_SOURCE
#include "CMPIShims.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

int process_shim_run_detached(const char *script) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  code = posix_spawnattr_init(&attributes);
  if (code == 0) {
    for (int descriptor = 0; descriptor < 3 && code == 0; descriptor++) {
      code = posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0);
    }
    if (code == 0) code = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    char *const arguments[] = {"/bin/sh", "-c", (char *)script, NULL};
    pid_t process;
    if (code == 0) code = posix_spawn(&process, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return code;
}
