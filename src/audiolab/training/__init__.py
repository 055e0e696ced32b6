"""The thesis bench: data, Lightning module, metrics, ONNX export. Shares its features with the stages.

Run it as `python -m audiolab.training --data DIR`.
"""
