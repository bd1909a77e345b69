"""`tiny`: the model in the box, from the words it learns to the file that ships.

Run the parts as modules from the root of the checkout; README.md beside this file gives the order.
"""
