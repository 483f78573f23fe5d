#define _GNU_SOURCE
#include "CMPIShims.h"

#include <sys/mman.h>

int memory_shim_create_file(void) { return memfd_create("skiptune", MFD_CLOEXEC); }
