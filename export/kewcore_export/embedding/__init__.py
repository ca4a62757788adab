"""Putting packages into Swift packages and Xcode projects: files, a typed list of labels, and a record of both."""

from kewcore_export.embedding.embedding import EmbeddedPackage, Embedding, embed_packages
from kewcore_export.embedding.places import Place, find_place

__all__ = ["EmbeddedPackage", "Embedding", "Place", "embed_packages", "find_place"]
