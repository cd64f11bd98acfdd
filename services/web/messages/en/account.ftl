# The account.

account-title = Account
account-description = Your display name, password and devices.
account-signed-in-as = Signed in as { $email }. Only you can see your email address.
account-display-name = Display name
account-save = Save
account-name-unsaved = Your new name is not saved yet.
account-password = Password
account-password-changed = Your password has been changed. Your other devices will be signed out within a few minutes.
account-password-unsaved = Your password has not been changed, because you had to sign in first. Enter it again.
account-current-password = Current password
account-new-password = New password
account-new-password-hint = At least 8 characters. Your other devices will be signed out within a few minutes.
account-change-password = Change password
account-devices = Where you’re signed in
account-device = { $browser } on { $system }
account-unknown-device = Unknown device
account-this-device = (this device)
account-last-used = Last used { $time }
account-sign-out-device = Sign out this device
account-sign-out-other = Sign out
