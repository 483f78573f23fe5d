// MatrixBackends
