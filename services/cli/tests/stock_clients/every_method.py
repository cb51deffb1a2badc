"""Calls every unary method with an empty message, by reflection; prints each with the code of its answer."""

import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

channel = grpc.insecure_channel(sys.argv[1])
database = ProtoReflectionDescriptorDatabase(channel)
pool = DescriptorPool(database)
metadata = [("authorization", f"Bearer {sys.argv[2]}")]
for name in sorted(service for service in database.get_services() if service.startswith("nopic.")):
    service = pool.FindServiceByName(name)
    for method in service.methods:
        if method.client_streaming or method.server_streaming:
            continue
        call = channel.unary_unary(
            f"/{name}/{method.name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        try:
            call(GetMessageClass(method.input_type)(), metadata=metadata, timeout=20)
            code = "ok"
        except grpc.RpcError as error:
            code = error.code().name.lower()
        print(f"{name}/{method.name} {code}")
