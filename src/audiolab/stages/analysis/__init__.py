"""Tempo, beats, bars, key and loudness of a sound."""
