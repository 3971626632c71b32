#!/usr/bin/env bash
# Prints the path of a Python that has moto: S3, SQS, SNS, EventBridge and STS for tests.
exec "$(dirname "$0")/../support/python.sh" moto 'import moto.server, boto3' 'moto[server]>=5.2,<6'
