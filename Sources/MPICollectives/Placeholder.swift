// MPICollectives
