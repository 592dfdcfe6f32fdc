"""What is mirrored in a site's bucket, read by its `backup` member for whoever has no key.

The key to the buckets is in the very secrets that are mirrored there.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime

from runbooks.core.command import Command

# With what the member makes its bucket from, and the library by which it does.
_READ = """
import base64, json, sys
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

own = json.load(open("/config/first-boot.json"))
once = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
keys = {"aws_access_key_id": own["access_key"], "aws_secret_access_key": own["secret_key"]}
verify = own["ca"] or True
s3 = boto3.client("s3", endpoint_url=own["endpoint"], region_name="default", verify=verify, config=once, **keys)
try:
    found = s3.get_object(Bucket=own["bucket"], Key=sys.argv[1])
except (BotoCoreError, ClientError) as error:
    sys.exit(f"{own['bucket']}, {sys.argv[1]}: {error}")
content = base64.b64encode(found["Body"].read()).decode()
print(json.dumps({"modified_at": found["LastModified"].isoformat(), "content": content}))
"""


@dataclass(frozen=True)
class Mirrored:
    """An object as one store holds it; `modified_at` is the store's time, UTC."""

    modified_at: datetime
    content: bytes


def read(key: str) -> Command[Mirrored]:
    """Read an object of the bucket of the member's site. CommandFailed with the store's words where it cannot."""
    return Command(argv=("python3", "-", key), stdin=_READ, parse=_mirrored, within=30)


def _mirrored(output: str) -> Mirrored:
    found = json.loads(output)
    return Mirrored(datetime.fromisoformat(found["modified_at"]), base64.b64decode(found["content"]))
