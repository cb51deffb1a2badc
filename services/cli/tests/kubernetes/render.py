"""Prints what kustomize makes of a folder, as one list of JSON."""

import json
import subprocess
import sys

import yaml

kubectl, folder = sys.argv[1:]
rendered = subprocess.run([kubectl, "kustomize", folder], check=True, capture_output=True, text=True).stdout
json.dump(list(yaml.safe_load_all(rendered)), sys.stdout)
