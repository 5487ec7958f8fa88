"""The file that MLflow runs to make the model; see ``serving.pyfunc``."""

from mlflow.models import set_model

from serving.pyfunc import RunModel

set_model(RunModel())
