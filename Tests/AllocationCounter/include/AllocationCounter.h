#pragma once

#include <stddef.h>

// Counts what a process asks malloc and its kin for, on all threads. Linking it replaces them, by glibc's own.

/// From now on, allocations of at least `least` bytes are counted.
void allocation_counter_start(size_t least);
/// Allocations since the start, and the bytes that were asked for; stops.
size_t allocation_counter_stop(size_t *bytes);
