#include "CBuildFacts.h"

#ifndef SKIPTUNE_BUILD
#define SKIPTUNE_BUILD "development build"
#endif

const char *build_facts(void) { return SKIPTUNE_BUILD; }
