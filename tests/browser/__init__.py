"""Tests in a real browser; a package, so that their files may be named like those of tests/widgets."""
