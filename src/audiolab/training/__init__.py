"""The thesis bench: data, Lightning module, metrics, ONNX export, MLflow. Shares its features with the stages.

`bench.train` does everything that `audiolab train` does; `running`, `fitting` and `finishing` hold its steps.
"""
