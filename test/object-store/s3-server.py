"""An S3 server that is not ours (moto), with one bucket and one user, whose signatures it checks (with botocore).

Prints `listening on PORT ACCESS_KEY_ID SECRET_ACCESS_KEY`, and serves until it is killed.
"""

import os
import signal
import sys

# CreateUser, CreateAccessKey, PutUserPolicy and CreateBucket are done before anybody is asked who he is.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"
os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"

import json
import logging

import boto3
import flask
from moto.iam.access_control import IAMRequestBase
from moto.server import ThreadedMotoServer

create_request = IAMRequestBase._create_aws_request


def create_request_as_sent(self):
    """moto decodes the query before it checks the signature, and so refuses Amazon's own client too where `/` is in a prefix."""
    self._path = flask.request.environ["RAW_URI"]
    return create_request(self)


IAMRequestBase._create_aws_request = create_request_as_sent
logging.getLogger("werkzeug").setLevel(logging.ERROR)
bucket = sys.argv[1]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
endpoint = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
iam = boto3.client("iam", **endpoint, **nobody)
iam.create_user(UserName="recorder")
key = iam.create_access_key(UserName="recorder")["AccessKey"]
resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": resources}]}
iam.put_user_policy(UserName="recorder", PolicyName="bucket", PolicyDocument=json.dumps(policy))
boto3.client("s3", **endpoint, **nobody).create_bucket(Bucket=bucket)
print(f"listening on {port} {key['AccessKeyId']} {key['SecretAccessKey']}", flush=True)
signal.pause()
