const app=document.getElementById("app");await fetch("/api/login",{method:"POST"});app.textContent=await(await fetch("/api/me")).text();
