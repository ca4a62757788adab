"""Reading `.mlpackage` folders without coremltools: messages, manifest, weights file, and what they say."""
