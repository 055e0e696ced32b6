"""audiolab: songs in; stems, one-shots, tags, MIDI, lyrics and DAW kits out."""
