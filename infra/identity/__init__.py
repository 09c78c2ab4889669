<<<<<<< HEAD
"""Who may do what: identities of servers, publishers and CI, without keys."""
=======
"""Who may read, publish, serve and deploy; nobody by a key unless it is asked for."""
>>>>>>> 3bf8e95 (Describe a stack on AWS: place, SageMaker, what each identity may do, the bucket on S3)
