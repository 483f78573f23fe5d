#pragma once

/// What the build was told of itself, as launch/install does: commit, compiler and kind of build; else that nobody did.
const char *build_facts(void);
