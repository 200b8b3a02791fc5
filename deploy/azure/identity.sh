#!/bin/sh
# Gives amlnet its identity in Azure: a user-assigned identity, the trust in one Kubernetes service account (a federated
# credential), amlnet's custom roles, and their assignment at the scopes that are named here and nowhere else.
# It looks first and changes only what is missing, so it can be run again at any time. It removes nothing: no identity, no
# credential, no role and no assignment. It writes to no network resource.
# docs/azure.md explains roles and scopes; `identity.sh --help` the options.
set -eu
export LC_ALL=C

usage() {
    cat <<'TEXT'
usage: identity.sh --subscription ID --resource-group NAME --issuer URL --scope ID [--scope ID]… [option]…

  --subscription ID       where the identity is made: the GUID of a subscription
  --resource-group NAME   an existing resource group for the identity
  --issuer URL            the cluster's OIDC issuer:
                          az aks show -g GROUP -n CLUSTER --query oidcIssuerProfile.issuerUrl -o tsv
  --scope ID              what amlnet may write: the id of a route table, an IP group, a firewall policy or a network
                          security group; or of a resource group, for all of them in it; or of a firewall, to read its state
  --kind KIND             route-tables, ip-groups, firewall-policies or security-groups; may be repeated. Needed for a
                          resource group; else the kinds are those of the scopes
  --subscription-reads    assign the role that reads limits and the state of writes, at the subscriptions of the scopes
  --name NAME             of the identity (amlnet)
  --location LOCATION     of the identity (that of the resource group)
  --namespace NAME        of the release in Kubernetes (amlnet)
  --service-account NAME  of the release in Kubernetes (amlnet)
  --cloud CLOUD           Public, AzureGovernment or China: refuse to run where az uses another one
  --dry-run               look, then print the az commands that would change something, and change nothing

Values for the chart are printed to standard output, everything else to standard error.
TEXT
}

say() { printf '%s\n' "$*" >&2; }
refuse() {
    say "identity.sh: $*"
    exit 2
}

# --- What was asked for ------------------------------------------------------------------------------------------------

subscription='' group='' issuer='' scopes='' kinds='' name='' location='' namespace='' account='' cloud=''
reads=false dry=false
newline='
'

# The whole text is of this form. Texts have no line breaks: that was checked.
is() { printf '%s\n' "$1" | grep -Eqx -- "$2"; }
lower() { printf '%s' "$1" | tr '[:upper:]' '[:lower:]'; }
once() { [ -z "$2" ] || refuse "$1 is given twice; say it once"; }

while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --dry-run) dry=true && shift && continue ;;
    --subscription-reads) reads=true && shift && continue ;;
    --*=*)
        option=${1%%=*} value=${1#*=}
        shift
        set -- "$option" "$value" "$@"
        ;;
    esac
    option=$1
    case $option in
    --subscription | --resource-group | --issuer | --scope | --kind | --name | --location | --namespace | \
        --service-account | --cloud) ;;
    *) refuse "there is no option '$option'; identity.sh --help names them all" ;;
    esac
    [ $# -ge 2 ] && [ -n "$2" ] || refuse "$option needs a value"
    value=$2
    shift 2
    case $value in
    *[![:graph:]]*) refuse "$option: '$value' has a space or another character that no such name has" ;;
    -*) refuse "$option needs a value; '$value' looks like an option" ;;
    esac
    case $option in
    --subscription) once "$option" "$subscription" && subscription=$value ;;
    --resource-group) once "$option" "$group" && group=$value ;;
    --issuer) once "$option" "$issuer" && issuer=$value ;;
    --name) once "$option" "$name" && name=$value ;;
    --location) once "$option" "$location" && location=$value ;;
    --namespace) once "$option" "$namespace" && namespace=$value ;;
    --service-account) once "$option" "$account" && account=$value ;;
    --cloud) once "$option" "$cloud" && cloud=$value ;;
    --scope) scopes=$scopes${value%/}$newline ;;
    --kind) kinds="$kinds $value" ;;
    esac
done

for needed in "--subscription $subscription" "--resource-group $group" "--issuer $issuer" "--scope $scopes"; do
    [ -n "${needed#* }" ] || refuse "${needed% *} is missing; identity.sh --help says what it is"
done
name=${name:-amlnet} namespace=${namespace:-amlnet} account=${account:-amlnet}

guid='[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
is "$subscription" "$guid" || refuse "--subscription '$subscription' is no GUID; az account list shows it as id"
is "$group" '[A-Za-z0-9._()-]{0,89}[A-Za-z0-9_()-]' || refuse "--resource-group '$group' is no name of a resource group"
is "$name" '[A-Za-z0-9][A-Za-z0-9_-]{2,127}' ||
    refuse "--name '$name' is no name of an identity: 3 to 128 letters, digits, '-' and '_', a letter or digit first"
is "$issuer" 'https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?' ||
    refuse "--issuer '$issuer' is no https address; az aks show --query oidcIssuerProfile.issuerUrl shows the cluster's"
is "$namespace" '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?' || refuse "--namespace '$namespace' is no name of a namespace"
is "$account" '[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?' || refuse "--service-account '$account' is no name of a service account"
[ -z "$location" ] || is "$location" '[A-Za-z0-9]+' ||
    refuse "--location '$location' is no location; az account list-locations shows them as name, such as eastus2"
case $cloud in
'') az_cloud='' ;;
Public) az_cloud=AzureCloud ;;
AzureGovernment) az_cloud=AzureUSGovernment ;;
China) az_cloud=AzureChinaCloud ;;
*) refuse "--cloud '$cloud' is unknown; write Public, AzureGovernment or China" ;;
esac
subject=system:serviceaccount:$namespace:$account
audience=api://AzureADTokenExchange

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
done_so_far=''
leave() {
    status=$?
    rm -rf "$work"
    if [ "$status" -ne 0 ] && [ -n "$done_so_far" ]; then
        say "done before this, and left as it is:"
        printf '%s' "$done_so_far" >&2
        say "run the same command again when the cause is gone: what is there is not made twice"
    fi
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

has_kind() { case " $kinds " in *" $1 "*) return 0 ;; esac && return 1; }

for kind in $kinds; do
    case $kind in
    route-tables | ip-groups | firewall-policies | security-groups) ;;
    *) refuse "--kind '$kind' is unknown; write route-tables, ip-groups, firewall-policies or security-groups" ;;
    esac
done

# The kind of target that a scope is; `group` and `firewall` are none by themselves.
kind_of() {
    part='[A-Za-z0-9._()-]+'
    in_group="/subscriptions/$guid/resourcegroups/$part"
    scope=$(lower "$1")
    is "$scope" "$in_group" && echo group && return
    if is "$scope" "$in_group/providers/microsoft.network/[a-z]+/$part"; then
        type=${scope%/*}
        case ${type##*/} in
        routetables) echo route-tables && return ;;
        ipgroups) echo ip-groups && return ;;
        firewallpolicies) echo firewall-policies && return ;;
        networksecuritygroups) echo security-groups && return ;;
        azurefirewalls) echo firewall && return ;;
        esac
    fi
    if is "$scope" "/subscriptions/$guid"; then
        refuse "--scope '$1' is a whole subscription; name the resources, or resource groups, that amlnet shall write"
    fi
    refuse "--scope '$1' is neither a resource group nor a route table, IP group, firewall policy, network security group or" \
        "firewall; write its id as in /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/routeTables/rt-ml"
}

printf '%s' "$scopes" | awk '!seen[tolower($0)]++' >"$work/scopes"
: >"$work/scoped"
while read -r scope; do
    kind=$(kind_of "$scope")
    echo "$kind $scope" >>"$work/scoped"
done <"$work/scopes"
if [ -z "$kinds" ]; then
    if grep -q '^group ' "$work/scoped"; then
        refuse "a resource group may hold targets of every kind; say with --kind which of them amlnet shall write"
    fi
    kinds=$(sed -n '/^firewall /!s/ .*//p' "$work/scoped" | sort -u | tr '\n' ' ')
fi

# Who gets what, a line each: the role's kind and the scope. A role is assigned where one of its actions means something.
grant() { echo "$1 $2" >>"$work/grants"; }
: >"$work/grants"
while read -r kind scope; do
    before=$(wc -l <"$work/grants")
    case $kind in
    group) for each in $kinds; do grant "$each" "$scope"; done ;;
    ip-groups)
        if has_kind ip-groups; then grant ip-groups "$scope"; fi
        # For its rules to refer to the group.
        if has_kind firewall-policies; then grant firewall-policies "$scope"; fi
        ;;
    firewall-policies | firewall)
        # Who only has IP groups reads the policies and firewalls that use them.
        if has_kind firewall-policies; then
            grant firewall-policies "$scope"
        elif has_kind ip-groups; then
            grant ip-groups "$scope"
        fi
        ;;
    *) if has_kind "$kind"; then grant "$kind" "$scope"; fi ;;
    esac
    [ "$(wc -l <"$work/grants")" -gt "$before" ] ||
        refuse "--scope '$scope' is nothing that the kinds asked for (${kinds# }) are about; add its kind, or leave it out"
done <"$work/scoped"
for kind in $kinds; do
    grep -q "^$kind " "$work/grants" || refuse "--kind $kind: no --scope is, or can hold, a target of this kind"
done
subscription_of() { printf '%s' "$1" | cut -d/ -f3; }
cut -d' ' -f2 "$work/grants" | cut -d/ -f3 | awk '!seen[tolower($0)]++' >"$work/subscriptions"
if $reads; then
    while read -r each; do grant subscription-reads "/subscriptions/$each"; done <"$work/subscriptions"
fi
cut -d' ' -f1 "$work/grants" | awk '!seen[$0]++' >"$work/roles"

command -v az >/dev/null 2>&1 || {
    say "identity.sh: there is no az; install the Azure CLI (https://learn.microsoft.com/cli/azure/install-azure-cli)"
    exit 1
}
while read -r kind; do
    [ -r "$here/role-$kind.json" ] || {
        say "identity.sh: $here/role-$kind.json is missing; it belongs beside this script"
        exit 1
    }
done <"$work/roles"

# --- How az is asked ---------------------------------------------------------------------------------------------------

# Each word as a shell reads it; `$principal` and its like stay what they are.
quoted() {
    line=''
    for word; do
        case $word in
        \$[a-z]*) word="\"$word\"" ;;
        *[!A-Za-z0-9_./:=@,-]* | '') word="'$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line $word"
    done
    printf '%s' "${line# }"
}

# Ends the script with what az says, and what to do about the refusals that are met most.
give_up() {
    say "identity.sh: $purpose: az $(quoted "$@") failed:"
    cat "$work/error" >&2
    if grep -q AuthorizationFailed "$work/error"; then
        say "who runs this needs Managed Identity Contributor on the identity's resource group, and Owner or User Access" \
            "Administrator on the subscriptions of the scopes"
    elif grep -q RoleDefinitionWithSameNameExists "$work/error"; then
        say "another subscription of this tenant has the role already: add the subscription to the role's AssignableScopes" \
            "(az role definition update, by somebody who may do so in all of them), then run this again"
    elif grep -q "az login" "$work/error"; then
        say "log in with az login, then run this again"
    fi
    exit 1
}

# Reads.
look() {
    purpose=$1
    shift
    if ! az "$@" --output tsv </dev/null >"$work/raw" 2>"$work/error"; then
        give_up "$@"
    fi
    tr -d '\r' <"$work/raw" >"$work/answer"
}

# Changes something, or only says how. What is new in Azure is not known everywhere at once: a refusal that names
# `$passing` is tried again, up to five minutes.
tries=30 pause=10
change() {
    purpose=$1 variable=$2
    shift 2
    if $dry; then
        if [ -n "$variable" ]; then echo "$variable=\$(az $(quoted "$@"))"; else echo "az $(quoted "$@")"; fi
        echo changed >>"$work/changes"
        return
    fi
    say "$purpose"
    left=$tries
    until az "$@" </dev/null >"$work/raw" 2>"$work/error"; do
        left=$((left - 1))
        if [ -z "$passing" ] || [ "$left" -le 0 ] || ! grep -Eq "$passing" "$work/error"; then
            give_up "$@"
        fi
        say "  not known everywhere yet; again in $pause s"
        sleep "$pause"
    done
    tr -d '\r' <"$work/raw" >"$work/answer"
    done_so_far="$done_so_far  $purpose$newline"
    echo changed >>"$work/changes"
}
: >"$work/changes"
passing=''

# --- Look --------------------------------------------------------------------------------------------------------------

look "the cloud that az uses" cloud show --query name
present=$(cat "$work/answer")
[ -z "$az_cloud" ] || [ "$present" = "$az_cloud" ] ||
    refuse "--cloud $cloud, but az uses '$present'; type: az cloud set --name $az_cloud && az login"
case $present in
AzureCloud) cloud=Public ;;
AzureUSGovernment) cloud=AzureGovernment ;;
AzureChinaCloud) cloud=China ;;
*) refuse "az uses the cloud '$present', which amlnet does not know; type: az cloud set --name AzureCloud && az login" ;;
esac
look "the login (az login) and the subscription" account show --subscription "$subscription" --query id
look "the resource group of the identity" group show --subscription "$subscription" --name "$group" --query location
[ -n "$location" ] || location=$(cat "$work/answer")

look "identities" identity list --subscription "$subscription" --resource-group "$group" \
    --query '[].[name, clientId, principalId, tenantId]'
awk -F '\t' -v name="$name" 'tolower($1) == tolower(name)' "$work/answer" >"$work/identity"
: >"$work/federations"
if [ -s "$work/identity" ]; then
    look "federated credentials" identity federated-credential list --subscription "$subscription" \
        --resource-group "$group" --identity-name "$name" --query "[].[name, issuer, subject, join(',', audiences)]"
    mv "$work/answer" "$work/federations"
fi

role_name() { sed -n 's/^  "Name": "\(.*\)",$/\1/p' "$here/role-$1.json"; }
while read -r kind; do
    : >"$work/role-$kind"
    while read -r each; do
        [ -s "$work/role-$kind" ] && continue
        look "custom roles" role definition list --name "$(role_name "$kind")" --custom-role-only true \
            --scope "/subscriptions/$each" --subscription "$each" --query \
            "[].[id, join(',', sort(permissions[].actions[])), join(',', sort(assignableScopes)), join(',', permissions[].notActions[])]"
        cp "$work/answer" "$work/role-$kind"
    done <"$work/subscriptions"
done <"$work/roles"

: >"$work/assigned"
cut -d' ' -f2 "$work/grants" | sort -u >"$work/places"
while read -r scope; do
    look "role assignments" role assignment list --scope "$scope" --subscription "$(subscription_of "$scope")" \
        --fill-principal-name false --fill-role-definition-name false --query '[].[principalId, roleDefinitionId]'
    awk -v scope="$scope" '{ print tolower(scope), tolower($1), tolower($2) }' "$work/answer" >>"$work/assigned"
done <"$work/places"

# --- Change ------------------------------------------------------------------------------------------------------------

if [ ! -s "$work/identity" ]; then
    change "identity $name in $group" '' identity create --subscription "$subscription" --resource-group "$group" \
        --name "$name" --location "$location" --output none
fi
if [ -s "$work/identity" ]; then
    principal=$(cut -f3 "$work/identity")
elif $dry; then
    principal=\$principal
    echo "principal=\$(az $(quoted identity show --subscription "$subscription" --resource-group "$group" --name "$name" \
        --query principalId --output tsv))"
else
    look "the new identity" identity show --subscription "$subscription" --resource-group "$group" --name "$name" \
        --query '[[name, clientId, principalId, tenantId]]'
    mv "$work/answer" "$work/identity"
    principal=$(cut -f3 "$work/identity")
fi

# An identity has up to 20 of them, for several clusters; issuer and subject are unique among them.
passing='ResourceNotFound|ConcurrentFederatedIdentityCredentialsWrites'
trusted=$(awk -F '\t' -v issuer="$issuer" -v subject="$subject" '$2 == issuer && $3 == subject' "$work/federations")
if [ -z "$trusted" ]; then
    credential=amlnet-$(printf '%s %s' "$issuer" "$subject" | cksum | cut -d' ' -f1)
    change "trust in $subject of $issuer" '' identity federated-credential create --subscription "$subscription" \
        --resource-group "$group" --identity-name "$name" --name "$credential" --issuer "$issuer" --subject "$subject" \
        --audiences "$audience" --output none
elif [ "$(printf '%s' "$trusted" | cut -f4)" != "$audience" ]; then
    change "audience of the trust in $subject" '' identity federated-credential update --subscription "$subscription" \
        --resource-group "$group" --identity-name "$name" --name "$(printf '%s' "$trusted" | cut -f1)" --issuer "$issuer" \
        --subject "$subject" --audiences "$audience" --output none
fi
passing=''

# What the role allows, in the order in which az shows it.
wanted_actions() {
    sed -n '/^  "Actions": \[/,/\]/s/^ *"\(.*\/.*\)",*$/\1/p' "$here/role-$1.json" | sort | tr '\n' ',' | sed 's/,$//'
}
# The role's file on one line, with these assignable scopes, one a line.
role_json() {
    quoted_scopes=$(sed 's/.*/"&"/' "$2" | tr '\n' ',' | sed 's/,$//; s/,/, /g')
    tr '\n' ' ' <"$here/role-$1.json" | sed "s|  *| |g; s|\"AssignableScopes\": \[[^]]*\]|\"AssignableScopes\": [$quoted_scopes]|; s| \$||"
}

while read -r kind; do
    role=$(role_name "$kind")
    sed -n "s|^$kind ||p" "$work/grants" | cut -d/ -f1-3 | awk '!seen[tolower($0)]++' >"$work/needed"
    if [ ! -s "$work/role-$kind" ]; then
        change "role $role" "role_$(echo "$kind" | tr - _)" role definition create --subscription \
            "$(head -1 "$work/needed" | cut -d/ -f3)" --role-definition "$(role_json "$kind" "$work/needed")" --query id --output tsv
        if $dry; then echo "\$role_$(echo "$kind" | tr - _)" >"$work/id-$kind"; else mv "$work/answer" "$work/id-$kind"; fi
        continue
    fi
    id=$(cut -f1 "$work/role-$kind")
    [ "$(wc -l <"$work/role-$kind")" -eq 1 ] || {
        say "identity.sh: there are several custom roles '$role'; delete or rename all but one of them"
        exit 1
    }
    echo "$id" >"$work/id-$kind"
    cut -f3 "$work/role-$kind" | tr ',' '\n' | cat - "$work/needed" | awk '!seen[tolower($0)]++' >"$work/assignable"
    present=$(cut -f2-4 "$work/role-$kind")
    wanted=$(printf '%s\t%s\t' "$(wanted_actions "$kind")" "$(sort "$work/assignable" | tr '\n' ',' | sed 's/,$//')")
    [ "$(lower "$present")" = "$(lower "$wanted")" ] && continue
    json=$(role_json "$kind" "$work/assignable")
    change "role $role, brought up to date" '' role definition update --subscription "$(subscription_of "$id")" \
        --role-definition "{\"id\": \"$id\", \"roleName\": \"$role\",${json#\{}" --output none
done <"$work/roles"

passing='PrincipalNotFound|RoleDefinitionDoesNotExist'
while read -r kind scope; do
    id=$(cat "$work/id-$kind")
    key="$(lower "$scope") $(lower "$principal")"
    awk -v key="$key" -v id="$(lower "${id##*/}")" '$1 " " $2 == key { sub(".*/", "", $3); if ($3 == id) found = 1 }
        END { exit !found }' "$work/assigned" && continue
    change "role $(role_name "$kind") at $scope" '' role assignment create --subscription "$(subscription_of "$scope")" \
        --role "$id" --scope "$scope" --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal --output none
done <"$work/grants"

# --- Say ---------------------------------------------------------------------------------------------------------------

awk -F '\t' -v issuer="$issuer" -v subject="$subject" '!($2 == issuer && $3 == subject) {
    print "note: " $3 " of " $2 " can use this identity too (federated credential " $1 ")" }' "$work/federations" >&2
$reads || say "note: without --subscription-reads, limits are not read and a write may be impossible to follow to its end" \
    "(docs/azure.md)"
if $dry; then
    [ -s "$work/changes" ] || say "nothing is to be changed"
    exit 0
fi
if [ -s "$work/changes" ]; then
    say "done; assignments take a few minutes to work everywhere"
else
    say "everything was in place; nothing was changed"
fi
echo "# For the chart amlnet, installed in namespace $namespace."
echo "cloud: $cloud"
echo "azure:"
echo "  auth: workloadIdentity"
echo "  clientId: $(cut -f2 "$work/identity")"
echo "  tenantId: $(cut -f4 "$work/identity")"
echo "serviceAccount:"
echo "  name: \"$account\""
