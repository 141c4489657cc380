// Puts faults into the rooms where numbers are made, one at a time, and sees whether a test fails.
//   dotnet run -c Release --project test/Microsoft.ML.VideoAlignment.Mutations -- --resume
using Microsoft.ML.VideoAlignment.Mutations;

if (args is ["--worker", .. var orders])
{
    // In a worker only the tests' packages are there: nothing of the compiler's may be asked for.
    WorkerLoop.Run(orders is ["--list", var classes] ? classes.Split(',') : null);
    return 0;
}

return Command.Run(args);
