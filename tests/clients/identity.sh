#!/bin/sh
# deploy/azure/identity.sh with the real az command against the simulator, twice; then amlnet with the identity that it made:
# it writes where a role is assigned, and is refused beside it.
# usage: tests/clients/identity.sh [path of armsim [path of amlnet]]    needs: az, python3; makes no request beyond loopback
set -eu

here=$(cd "$(dirname "$0")" && pwd)
armsim=${1:-${CARGO_TARGET_DIR:-target}/debug/armsim}
amlnet=${2:-$(dirname "$armsim")/amlnet}
work=$(mktemp -d)
subscription=0b1f6471-1bf0-4dda-aec3-cb9272f09590
network=/subscriptions/$subscription/resourceGroups/rg-ml/providers/Microsoft.Network
issuer=https://oidc.example/cluster/

"$armsim" tags --seed 1 --weeks 1 --out "$work/tags" >"$work/files"
cat >"$work/world.yaml" <<YAML
resources:
- {id: $network/routeTables/rt-ml, location: eastus2}
- {id: $network/routeTables/rt-other, location: eastus2}
- {id: $network/ipGroups/ipg-ml, location: eastus2, properties: {ipAddresses: [20.42.0.0/17]}}
- {id: $network/firewallPolicies/p-hub, location: eastus2}
- {id: $network/networkSecurityGroups/nsg-ml, location: eastus2}
serviceTagFiles: [$(head -1 "$work/files")]
# As in Azure, what is new is not known everywhere at once.
faults:
- match: {server: arm, method: PUT, pathContains: /roleAssignments/}
  times: 1
  effect: {status: {code: 400, body: {error: {code: PrincipalNotFound, message: Principal does not exist in the directory.}}}}
YAML
mkfifo "$work/in"
"$armsim" serve --world "$work/world.yaml" --time-scale 0.01 --until-stdin-closes <"$work/in" >"$work/ready.json" &
exec 3>"$work/in" # closed with this script, and then the simulator ends
trap 'exec 3>&-; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    [ -s "$work/ready.json" ] && break
    sleep 0.1
done
field() { python3 -c 'import functools, json, sys; print(functools.reduce(dict.get, sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$work/ready.json" "$1"; }
fail() {
    echo "identity: $*" >&2
    exit 1
}

# A configuration of its own: nothing of the person's is read or changed.
export AZURE_CONFIG_DIR="$work/azure" AZURE_CORE_COLLECT_TELEMETRY=false AZURE_CORE_ONLY_SHOW_ERRORS=true
export AZURE_CORE_INSTANCE_DISCOVERY=false AZURE_CORE_LOGIN_EXPERIENCE_V2=off AZURE_CORE_CHECK_FOR_UPDATES=false
REQUESTS_CA_BUNDLE=$(field caFile)
export REQUESTS_CA_BUNDLE
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

az cloud register --name armsim --endpoint-resource-manager "$(field arm)"
az cloud set --name armsim
az login --service-principal --tenant "$(field credentials.tenantId)" --username "$(field credentials.clientId)" \
    --password "$(field credentials.clientSecret)" --output none
az account set --subscription "$subscription"
az group create --name rg-ids --location eastus2 --output none

# A role of an older version, to be brought up to date.
az role definition create --output none --role-definition "{\"Name\": \"amlnet IP groups\", \"Description\": \"\",
    \"Actions\": [\"Microsoft.Network/ipGroups/read\"], \"AssignableScopes\": [\"/subscriptions/$subscription\"]}"

identity() {
    "$here/../../deploy/azure/identity.sh" --subscription "$subscription" --resource-group rg-ids --issuer "$issuer" \
        --scope "$network/routeTables/rt-ml" --scope "$network/ipGroups/ipg-ml" --scope "$network/firewallPolicies/p-hub" \
        --scope "$network/networkSecurityGroups/nsg-ml" --subscription-reads "$@"
}
writes() {
    python3 - "$(field control)" <<'PYTHON'
import json, sys, urllib.request
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
log = json.load(urllib.request.urlopen(sys.argv[1] + "/log"))
print(sum(entry["method"] in ("PUT", "PATCH", "DELETE") for entry in log))
PYTHON
}

echo "--- dry run"
before=$(writes)
identity --dry-run >"$work/printed"
[ "$(writes)" = "$before" ] || fail "the dry run wrote something"
[ -s "$work/printed" ] || fail "the dry run printed nothing"
echo "--- first run"
identity >"$work/values.yaml"
cat "$work/values.yaml"
echo "--- second run"
before=$(writes)
identity >"$work/values-again.yaml"
[ "$(writes)" = "$before" ] || fail "the second run wrote something"
cmp "$work/values.yaml" "$work/values-again.yaml"
echo "--- a credential that somebody changed is repaired"
credential=$(az identity federated-credential list --resource-group rg-ids --identity-name amlnet --query '[0].name' --output tsv)
az identity federated-credential update --resource-group rg-ids --identity-name amlnet --name "$credential" --issuer "$issuer" \
    --subject system:serviceaccount:amlnet:amlnet --audiences api://another --output none
before=$(writes)
identity >/dev/null
[ "$(writes)" = "$((before + 1))" ] || fail "one write was to repair it"
actions=$(az role definition list --name "amlnet IP groups" --custom-role-only true --query '[0].permissions[0].actions' --output tsv)
[ "$(echo "$actions" | wc -l)" -eq 5 ] || fail "the role for IP groups was not brought up to date: $actions"
echo "--- another scope: its roles more, and nothing else"
identity --kind route-tables --kind ip-groups --kind firewall-policies --kind security-groups \
    --scope "/subscriptions/$subscription/resourceGroups/rg-ids" --dry-run >"$work/more"
[ "$(wc -l <"$work/more")" -eq 4 ] || fail "four assignments were to be added: $(cat "$work/more")"
principal=$(az identity show --resource-group rg-ids --name amlnet --query principalId --output tsv)
az role assignment list --all --fill-principal-name false --query "[?principalId=='$principal'].[roleDefinitionName, scope]" --output tsv

echo "--- amlnet with that identity"
value() { sed -n "s/^  $1: //p" "$work/values.yaml"; }
# A token as a cluster gives it; the simulator checks no signature.
python3 - "$issuer" >"$work/token" <<'PYTHON'
import base64, json, sys, time
part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
claims = {"iss": sys.argv[1], "sub": "system:serviceaccount:amlnet:amlnet", "aud": ["api://AzureADTokenExchange"],
          "iat": int(time.time()), "exp": int(time.time()) + 3600}
print(part({"alg": "RS256", "typ": "JWT"}), part(claims), "signature", sep=".")
PYTHON
cat >"$work/feed.yaml" <<YAML
apiVersion: amlnet.dev/v1alpha1
kind: ServiceTagFeed
metadata: {name: public, namespace: amlnet}
spec: {cloud: Public, sources: [{download: {pageUrl: "$(field downloadPage)"}}]}
YAML
network_of() {
    cat <<YAML
apiVersion: amlnet.dev/v1alpha1
kind: AmlNetwork
metadata: {name: ml, namespace: amlnet}
spec: {region: eastus2, mode: UpsertOnly, routes: {routeTables: [{id: $network/routeTables/$1}]}}
YAML
}
as_identity() {
    AZURE_CLIENT_ID=$(value clientId) AZURE_TENANT_ID=$(value tenantId) AZURE_FEDERATED_TOKEN_FILE="$work/token" \
        "$amlnet" "$@" --installation-id prod --arm-endpoint "$(field arm)" --authority-host "$(field login)" \
        --ca-file "$(field caFile)" -f "$work/feed.yaml" -f "$work/ml.yaml"
}
network_of rt-ml >"$work/ml.yaml"
as_identity apply --yes
as_identity plan || fail "after apply, there should be nothing left to do"
network_of rt-other >"$work/ml.yaml"
if as_identity apply --yes >"$work/refused" 2>&1; then fail "the other table was written to"; fi
grep -o "AuthorizationFailed.*rt-other" "$work/refused" | head -1 || fail "not refused as it should be: $(cat "$work/refused")"
echo
echo "identity: everything worked"
