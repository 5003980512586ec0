# An image for training and evaluation, made from the lock file. Build it in the project's folder:
#   docker build --tag cochlearn .
#   docker run --gpus all --shm-size 8g --volume "$PWD:/workspace" cochlearn fit --config cochcnn9_word.yaml
FROM python:3.12-slim

# PyTorch compiles networks with a C++ compiler (`model.compile_backbone`), and so is the fast front end at first use.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/cochlearn
COPY requirements/demo.txt requirements/demo.txt
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements/demo.txt
COPY pyproject.toml README.md LICENSE cochlearn.py ./
COPY configs configs
COPY datamodules datamodules
COPY evaluate evaluate
COPY networks networks
COPY train train
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .

WORKDIR /workspace
ENTRYPOINT ["cochlearn"]
CMD ["--help"]
