// Says so when the page cannot start: a browser that is too old, or a script that did not come.
(function () {
  function show(id) {
    var words = document.getElementById(id);
    if (words) words.hidden = false;
  }
  if (!('noModule' in document.createElement('script'))) return show('old');
  setTimeout(function () {
    if (!document.documentElement.getAttribute('data-ready')) show('slow');
  }, 8000);
})();
