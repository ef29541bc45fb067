// Inside WeChat the order is handed to the app, which asks its owner; elsewhere this page needs no script.
const call = JSON.parse(document.getElementById("call").textContent);
const ask = () => window.WeixinJSBridge?.invoke("getBrandWCPayRequest", call, answer => {
  if (answer.err_msg === "get_brand_wcpay_request:ok") document.getElementById("paid").submit();
});
document.getElementById("within").addEventListener("click", ask);
if (window.WeixinJSBridge) ask();
else document.addEventListener("WeixinJSBridgeReady", ask, { once: true });
