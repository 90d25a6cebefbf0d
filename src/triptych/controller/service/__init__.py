"""The use cases of the controller, over a store and the mirror of what it declares.

Deciding is pure and in small modules; `writer` is the one place that commits.
"""
