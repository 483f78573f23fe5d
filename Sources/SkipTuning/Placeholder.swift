// SkipTuning
