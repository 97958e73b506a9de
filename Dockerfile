# histoscribe without CUDA, with every optional library. Build and run:
#   docker build -t histoscribe .
#   docker run --rm -v "$PWD:/data" histoscribe benchmark run.toml --out runs/first
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HISTOSCRIBE_CACHE=/cache

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu ".[all]" \
 && rm -rf /src/*

# files in a mounted folder belong to the user who started the container: --user "$(id -u)"
RUN mkdir /cache /data && chmod 777 /cache /data
WORKDIR /data
ENTRYPOINT ["histoscribe"]
CMD ["--help"]
