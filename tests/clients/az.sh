#!/bin/sh
# A round trip of the az command against the simulator: register the cloud, log in, write and read a route table.
# usage: tests/clients/az.sh [path of armsim]     needs: az, python3; makes no request beyond loopback
set -eu

armsim=${1:-${CARGO_TARGET_DIR:-target}/debug/armsim}
work=$(mktemp -d)
mkfifo "$work/in"
"$armsim" serve --until-stdin-closes <"$work/in" >"$work/ready.json" &
exec 3>"$work/in" # closed with this script, and then the simulator ends
trap 'exec 3>&-; rm -rf "$work"' EXIT

for _ in $(seq 100); do
    [ -s "$work/ready.json" ] && break
    sleep 0.1
done
field() { python3 -c 'import functools, json, sys; print(functools.reduce(dict.get, sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$work/ready.json" "$1"; }

# A configuration of its own: nothing of the person's is read or changed.
export AZURE_CONFIG_DIR="$work/azure" AZURE_CORE_COLLECT_TELEMETRY=false AZURE_CORE_ONLY_SHOW_ERRORS=true
export AZURE_CORE_INSTANCE_DISCOVERY=false AZURE_CORE_LOGIN_EXPERIENCE_V2=off AZURE_CORE_CHECK_FOR_UPDATES=false
REQUESTS_CA_BUNDLE=$(field caFile)
export REQUESTS_CA_BUNDLE
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

show() { echo; echo "$ az $*"; az "$@"; }

show cloud register --name armsim --endpoint-resource-manager "$(field arm)"
show cloud set --name armsim
az login --service-principal --tenant "$(field credentials.tenantId)" --username "$(field credentials.clientId)" \
    --password "$(field credentials.clientSecret)" --output table
show group create --name rg-az --location eastus2 --output table
show network route-table create --resource-group rg-az --name rt-az --location eastus2 --tags made-by=az --output table
show network route-table route create --resource-group rg-az --route-table-name rt-az --name default \
    --address-prefix 0.0.0.0/0 --next-hop-type VirtualAppliance --next-hop-ip-address 10.0.1.4 --output table
show network route-table route create --resource-group rg-az --route-table-name rt-az --name storage \
    --address-prefix Storage.EastUS2 --next-hop-type Internet --output table
show network route-table route update --resource-group rg-az --route-table-name rt-az --name default \
    --next-hop-ip-address 10.0.1.5 --output table
show network route-table route list --resource-group rg-az --route-table-name rt-az --output table
show network list-usages --location eastus2 --query "[?name.value=='RoutesPerRouteTable']" --output table
show lock create --name keep --resource-group rg-az --lock-type CanNotDelete --output table
if az network route-table delete --resource-group rg-az --name rt-az 2>"$work/refused"; then
    echo "the lock did not hold" >&2
    exit 1
fi
grep -o ScopeLocked "$work/refused" | head -1
show lock delete --name keep --resource-group rg-az
show network route-table route delete --resource-group rg-az --route-table-name rt-az --name storage
show network route-table list --resource-group rg-az --output table
show network route-table delete --resource-group rg-az --name rt-az
show network route-table list --resource-group rg-az --output json
show group delete --name rg-az --yes
echo
echo "az: everything worked"
