// @ts-check
// A browser that follows a link of another site leaves our cookie out, also on the way from the address
// with the token to the page. It sends it with what our own pages ask for: this script, which only who has
// the cookie is given, and the page once more. What stands after # goes along with the redirection.
if (location.search !== "?again") location.replace(`/?again${location.hash}`);
