"""How each kind of model becomes a SavedModel with explicit signatures.

`model_export.export` is the door. TensorFlow and Keras are imported inside functions alone.
"""
