"""Models the project makes itself. Nothing here is installed with the package."""
