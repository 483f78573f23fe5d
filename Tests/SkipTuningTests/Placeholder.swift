// SkipTuningTests
