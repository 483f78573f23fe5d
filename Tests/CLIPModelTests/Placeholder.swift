// CLIPModelTests
