"""What somebody writes with FastAPI, boto3 and google-cloud-storage: one request for each object, which looks at both
sides, uploads under a temporary name, copies it to its own and deletes the temporary one. No queue, no receipts."""
import os
import uuid

import boto3
from botocore.config import Config
from fastapi import FastAPI
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from pydantic import BaseModel

STREAMED_FROM_BYTES = 8 * 1024 * 1024

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_URL"],
    region_name="us-east-1",
    aws_access_key_id="AKIABENCH",
    aws_secret_access_key="bench",
    verify=os.environ.get("CERTIFICATE") or None,
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=64),
)
gcs = storage.Client(
    project="bench",
    credentials=AnonymousCredentials(),
    client_options={"api_endpoint": os.environ["GCS_URL"]},
)
target = gcs.bucket("to-there")
app = FastAPI()


class Change(BaseModel):
    bucket: str
    key: str


@app.post("/replicate")
def replicate(change: Change) -> dict[str, str]:
    head = s3.head_object(Bucket=change.bucket, Key=change.key)
    blob = target.blob(change.key)
    if blob.exists():
        return {"outcome": "already there"}
    body = s3.get_object(Bucket=change.bucket, Key=change.key)["Body"]
    temporary = target.blob(f"{change.key}.{uuid.uuid4()}.tmp")
    if head["ContentLength"] < STREAMED_FROM_BYTES:
        temporary.upload_from_string(body.read(), content_type=head["ContentType"])
    else:
        temporary.upload_from_file(body, size=head["ContentLength"], content_type=head["ContentType"])
    target.copy_blob(temporary, target, change.key)
    temporary.delete()
    return {"outcome": "copied"}
