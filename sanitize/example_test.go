package sanitize_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ecolaura/rampart/sanitize"
)

func ExampleBinder_Handler() {
	type Product struct {
		Name        string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
		Description string `json:"description" sanitize:"html=ugc" validate:"max=20000"`
		Price       string `json:"price" validate:"required,decimal=10:2,min=0"`
	}
	products, err := sanitize.NewBinder[Product](sanitize.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := products.Handler(func(w http.ResponseWriter, _ *http.Request, p Product) {
		fmt.Fprintf(w, "%s %s\n%s\n", p.Name, p.Price, p.Description)
	})
	for _, body := range []string{
		`{"name": " Soap ", "price": 12.5, "description": "<p onclick=steal()>Mild<script>steal()</script>"}`,
		`{"name": "", "price": "a lot"}`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/products/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 Soap 12.50
	// <p>Mild</p>
	// 422 {"title":"Unprocessable Entity","status":422,"detail":"Invalid input.","code":"invalid","errors":[{"pointer":"#/name","code":"blank","detail":"This field may not be blank."},{"pointer":"#/price","code":"invalid","detail":"A valid number is required."}]}
}

func ExampleBinder_BindQuery() {
	type Search struct {
		Q    string `json:"q" sanitize:"text" validate:"required,max=100"`
		Page int    `json:"page" validate:"omitempty,min=1"`
	}
	searches, err := sanitize.NewBinder[Search](sanitize.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := searches.BindQuery(httptest.NewRequest(http.MethodGet, "/search?q=soap&page=2", nil))
	fmt.Println(v, err)
	// Output: {soap 2} <nil>
}

func ExampleGuard_Handler() {
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := guard.Handler(http.FileServer(http.Dir("public")))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/..%2fsecret", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 400 {"title":"Bad Request","status":400,"detail":"The path is not valid.","code":"invalid_path"}
}

func ExampleFile() {
	type Upload struct {
		Photo sanitize.File `json:"photo" validate:"required,types=image/gif image/png,max=1000000"`
	}
	uploads, err := sanitize.NewBinder[Upload](sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{"multipart/form-data"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"logo.gif", "logo.php"} {
		body := "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"" + name + "\"\r\nContent-Type: image/gif\r\n\r\nGIF89a<?php …\r\n--b--\r\n"
		r := httptest.NewRequest(http.MethodPost, "/photos/", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		v, err := uploads.Bind(httptest.NewRecorder(), r)
		fmt.Println(v.Photo.Name, v.Photo.ContentType, err)
	}
	// Output:
	// logo.gif image/gif <nil>
	//   rampart: 422 Unprocessable Entity: invalid
}

func ExampleDRFErrors() {
	type Login struct {
		Email string `json:"email" validate:"required,email"`
	}
	logins, err := sanitize.NewBinder[Login](sanitize.Config{ErrorHandler: sanitize.DRFErrors})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"email": "ann"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	logins.Handler(func(http.ResponseWriter, *http.Request, Login) {}).ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 400 {"email":["Enter a valid email address."]}
}

func ExampleEmail() {
	fmt.Println(sanitize.Email("Ann@Bücher.Example"))
	_, err := sanitize.Email(`"<script>"@example.com`)
	fmt.Println(err)
	// Output:
	// Ann@xn--bcher-kva.example <nil>
	// sanitize: email: Enter a valid email address.
}

func ExampleRedirect() {
	fmt.Println(sanitize.Redirect("/account?tab=keys"))
	_, err := sanitize.Redirect(`/\evil.example`)
	fmt.Println(err)
	// Output:
	// /account?tab=keys <nil>
	// sanitize: redirect: Enter a path of this site.
}
