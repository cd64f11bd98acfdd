# The page that says why another one can't be shown.

error-invalid = That didn’t look right
error-unauthenticated = Please sign in
error-declined = The payment was declined
error-forbidden = You can’t do that
error-not-found = We couldn’t find that page
error-method = This page can’t be opened this way
error-timed-out = That took too long
error-conflict = That isn’t possible right now
error-gone = That’s no longer possible
error-changed = This was changed in the meantime
error-too-large = That was too much at once
error-rule = That isn’t allowed here
error-too-many = That was too fast for us
error-headers = Your browser sends too much
error-internal = Something went wrong on our side
error-unavailable = We can’t do that right now
error-reload = Nothing has been lost. Reload the page in a moment.
error-browse = Browse shows
error-status = Error { $status }
error-request = Error { $status }. If you contact us, quote this number: { $request }
