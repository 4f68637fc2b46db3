// Caches between two machines, by way of layouts; registries are in the
// tests of the program.

