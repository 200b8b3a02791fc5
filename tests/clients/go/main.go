// A round trip of Microsoft's Go libraries against the simulator.
//
// usage: go run . PATH-OF-ARMSIM
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v6"
)

const subscription = "00000000-0000-0000-0000-000000000000"

const world = "resources: [{id: /subscriptions/" + subscription + "/resourceGroups/rg-go, location: eastus2}]\n"

type ready struct {
	Arm, Login, CaFile string
	Credentials        struct{ TenantID, ClientID, ClientSecret string }
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: go run . PATH-OF-ARMSIM"))
	}
	file, err := os.CreateTemp("", "world-*.yaml")
	check(err)
	defer os.Remove(file.Name())
	_, err = file.WriteString(world)
	check(err)
	check(file.Close())

	server := exec.Command(os.Args[1], "serve", "--until-stdin-closes", "--world", file.Name())
	stdin, err := server.StdinPipe()
	check(err)
	stdout, err := server.StdoutPipe()
	check(err)
	check(server.Start())
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	check(err)
	var at ready
	check(json.Unmarshal(line, &at))
	roundTrip(at)
	check(stdin.Close())
	check(server.Wait())
	fmt.Println("go: everything worked")
}

func roundTrip(at ready) {
	ctx := context.Background()
	pem, err := os.ReadFile(at.CaFile)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	options := policy.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: at.Login,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: at.Arm, Audience: "https://management.azure.com"},
			},
		},
		Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
	}

	known := at.Credentials
	secret, err := azidentity.NewClientSecretCredential(known.TenantID, known.ClientID, known.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	check(err)
	federated, err := azidentity.NewClientAssertionCredential(known.TenantID, known.ClientID,
		func(context.Context) (string, error) { return assertion(), nil },
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	check(err)
	for name, credential := range map[string]azcore.TokenCredential{"client secret": secret, "workload identity": federated} {
		_, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
		check(err)
		fmt.Println(name + ": a token")
	}

	arm := &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}
	tables, err := armnetwork.NewRouteTablesClient(subscription, federated, arm)
	check(err)
	table, err := tables.BeginCreateOrUpdate(ctx, "rg-go", "rt-go", armnetwork.RouteTable{Location: to.Ptr("eastus2")}, nil)
	check(err)
	made, err := table.PollUntilDone(ctx, nil)
	check(err)
	fmt.Println("table", *made.Name, *made.Properties.ProvisioningState)

	routes, err := armnetwork.NewRoutesClient(subscription, federated, arm)
	check(err)
	wanted := armnetwork.Route{Properties: &armnetwork.RoutePropertiesFormat{
		AddressPrefix: to.Ptr("20.42.0.0/24"), NextHopType: to.Ptr(armnetwork.RouteNextHopTypeInternet),
	}}
	route, err := routes.BeginCreateOrUpdate(ctx, "rg-go", "rt-go", "one", wanted, nil)
	check(err)
	written, err := route.PollUntilDone(ctx, nil)
	check(err)
	fmt.Println("route", *written.Name, *written.Properties.AddressPrefix, *written.Properties.ProvisioningState)

	gone, err := tables.BeginDelete(ctx, "rg-go", "rt-go", nil)
	check(err)
	_, err = gone.PollUntilDone(ctx, nil)
	check(err)
	page, err := tables.NewListPager("rg-go", nil).NextPage(ctx)
	check(err)
	if len(page.Value) != 0 {
		fail(fmt.Errorf("%d tables are left", len(page.Value)))
	}
}

// assertion is a token of another issuer, as far as its contents go; the simulator checks no signatures.
func assertion() string {
	part := func(value map[string]any) string {
		text, err := json.Marshal(value)
		check(err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	claims := map[string]any{
		"iss": "https://issuer.armsim.invalid", "sub": "system:serviceaccount:amlnet:amlnet",
		"aud": "api://AzureADTokenExchange", "exp": time.Now().Add(time.Hour).Unix(),
	}
	return part(map[string]any{"alg": "RS256"}) + "." + part(claims) + ".c2lnbmF0dXJl"
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
