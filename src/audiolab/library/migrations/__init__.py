"""Steps from one schema of the catalog to the next; run by `audiolab.library.store`."""
