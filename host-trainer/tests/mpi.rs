//! Several processes under `mpirun` train what one would.
