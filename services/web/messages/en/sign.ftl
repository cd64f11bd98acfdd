# Sign-in and sign-up.

sign-in-title = Sign in
sign-in-description = Sign in to buy and sell tickets.
sign-in-required = Sign in to continue.
sign-in-holds = { $count ->
    [one] Sign in and we’ll hold the ticket for you if it is still available. You’ll then have a few minutes to pay.
   *[other] Sign in and we’ll hold your seats for you if they are still available. You’ll then have a few minutes to pay.
}
sign-in-keeps-input = Your details are saved. Sign in to continue.
sign-in-submit = Sign in
sign-in-forgot-password = Forgot your password?
sign-in-new-here = New here?
sign-in-create-account = Create an account
sign-in-too-many-attempts = Too many attempts. Wait a moment, then try again.
sign-email = Email
sign-password = Password
sign-up-title = Sign up
sign-up-description = Create an account to buy and sell tickets.
sign-up-heading = Create an account
sign-up-holds = { $count ->
    [one] Create an account and we’ll hold the ticket for you if it is still available. You’ll then have a few minutes to pay.
   *[other] Create an account and we’ll hold your seats for you if they are still available. You’ll then have a few minutes to pay.
}
sign-up-display-name = Display name
sign-up-display-name-hint = Shown to other users. You can change it later.
sign-up-password-hint = At least 8 characters.
sign-up-submit = Create account
sign-up-rules = By creating an account, you accept our terms of use.
sign-up-terms = Read the terms
sign-up-privacy = What we store about you
sign-up-have-account = Already have an account?
sign-up-sign-in = Sign in
