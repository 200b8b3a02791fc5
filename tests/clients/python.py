#!/usr/bin/env python3
"""A round trip of Microsoft's Python libraries against the simulator, with every way to log in that it offers.

usage: tests/clients/python.py [path of armsim]     needs: pip install azure-identity azure-mgmt-network
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
SYSTEM, USER = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
WORLD = f"""
resources:
- {{id: /subscriptions/{SUBSCRIPTION}/resourceGroups/rg-py, location: eastus2}}
managedIdentities:
- {{clientId: {SYSTEM}}}
- {{clientId: {USER}, kind: userAssigned}}
credentials:
- tenantId: 11111111-1111-4111-8111-111111111111
  clientId: 22222222-2222-4222-8222-222222222222
  clientSecret: armsim-secret
  federated: [{{issuer: https://issuer.armsim.invalid, subject: system:serviceaccount:amlnet:amlnet}}]
"""


def assertion():
    """A token of a Kubernetes service account, as far as its contents go; the simulator checks no signatures."""
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    claims = {
        "iss": "https://issuer.armsim.invalid",
        "sub": "system:serviceaccount:amlnet:amlnet",
        "aud": ["api://AzureADTokenExchange"],
        "exp": int(time.time()) + 3600,
    }
    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def main():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    armsim = sys.argv[1] if len(sys.argv) > 1 else f"{target}/debug/armsim"
    with tempfile.TemporaryDirectory() as work:
        world, token_file = os.path.join(work, "world.yaml"), os.path.join(work, "token")
        with open(world, "w") as file:
            file.write(WORLD)
        with open(token_file, "w") as file:
            file.write(assertion())
        server = subprocess.Popen(
            [armsim, "serve", "--until-stdin-closes", "--world", world],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            round_trip(json.loads(server.stdout.readline()), token_file)
        finally:
            server.stdin.close()
            server.wait()
    print("python: everything worked")


def round_trip(ready, token_file):
    os.environ["REQUESTS_CA_BUNDLE"] = ready["caFile"]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    from azure.core.exceptions import HttpResponseError
    from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
    from azure.mgmt.network import NetworkManagementClient

    known = ready["credentials"]
    scope = f"{ready['arm']}/.default"
    at_login = {"authority": ready["login"], "disable_instance_discovery": True}
    secret = ClientSecretCredential(known["tenantId"], known["clientId"], known["clientSecret"], **at_login)
    workload = WorkloadIdentityCredential(
        tenant_id=known["tenantId"], client_id=known["clientId"], token_file_path=token_file, **at_login
    )
    for name, credential in [("client secret", secret), ("workload identity", workload)]:
        print(f"{name}: token of {claims(credential.get_token(scope).token)['appid']}")

    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = ready["metadata"]
    for name, arguments, wanted in [
        ("system-assigned identity", {}, SYSTEM),
        ("user-assigned identity", {"client_id": USER}, USER),
    ]:
        token = ManagedIdentityCredential(**arguments).get_token("https://management.azure.com/.default").token
        assert claims(token)["appid"] == wanted
        print(f"{name}: token of {wanted}")
    os.environ["IDENTITY_ENDPOINT"] = f"{ready['metadata']}/msi/token"
    os.environ["IDENTITY_HEADER"] = "armsim-identity-header"
    managed = ManagedIdentityCredential(client_id=USER)
    assert claims(managed.get_token("https://management.azure.com/.default").token)["appid"] == USER
    print(f"App Service identity: token of {USER}")

    client = NetworkManagementClient(workload, SUBSCRIPTION, base_url=ready["arm"], credential_scopes=[scope])
    table = client.route_tables.begin_create_or_update("rg-py", "rt-py", {"location": "eastus2"}).result()
    assert table.provisioning_state == "Succeeded", table
    wanted = {"properties": {"addressPrefix": "20.42.0.0/24", "nextHopType": "Internet"}}
    route = client.routes.begin_create_or_update("rg-py", "rt-py", "one", wanted).result()
    print(f"route {route.name}: {route.address_prefix} {route.provisioning_state}")
    try:
        client.routes.begin_create_or_update("rg-py", "rt-py", "two", wanted).result()
        raise AssertionError("two routes have one prefix")
    except HttpResponseError as error:
        assert error.error.code == "RouteConflict", error
        print(f"refused: {error.error.code}")
    assert [route.name for route in client.routes.list("rg-py", "rt-py")] == ["one"]
    client.routes.begin_delete("rg-py", "rt-py", "one").result()
    client.route_tables.begin_delete("rg-py", "rt-py").result()
    assert list(client.route_tables.list("rg-py")) == []
    tags = client.service_tags.list("eastus2")
    print(f"service tags: change {tags.change_number} of cloud {tags.cloud}")


if __name__ == "__main__":
    main()
