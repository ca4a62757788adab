"""The search for the smallest package that keeps its accuracy: `kewcore export --quantize auto`."""
