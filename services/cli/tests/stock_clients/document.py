"""Whether what is served at a URL is a document of OpenAPI."""

import json
import sys
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

with urllib.request.urlopen(sys.argv[1]) as answer:
    validate(json.load(answer), cls=OpenAPIV31SpecValidator)
print("valid")
