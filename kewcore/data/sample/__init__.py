"""The built-in sample set: botanical drawings of six classes, a stand-in for Kew-MNIST."""
