"""What Paddock costs, measured. Run from the checkout; nothing here is installed with the package."""
