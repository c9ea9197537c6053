// The form that lets a browser in by the printed code.

const form = document.getElementById("login");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const code = document.getElementById("code").value.trim();
  const answer = await fetch("/login", { method: "POST", body: JSON.stringify({ code }) });
  if (answer.ok) {
    location.replace("/");
  } else {
    document.getElementById("error").textContent = (await answer.json()).error;
  }
});
